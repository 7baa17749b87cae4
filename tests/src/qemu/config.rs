//! The machine to boot, and QEMU's command line for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A multiboot module: the file, the name it is given by, and its arguments.
#[derive(Clone, Debug)]
pub struct Module {
    /// First word of the module's command line.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The rest of the module's command line.
    pub args: String,
}

impl Module {
    /// A module with arguments (may be empty).
    pub fn new(name: &str, path: &Path, args: &str) -> Self {
        Self {
            name: name.into(),
            path: path.to_owned(),
            args: args.into(),
        }
    }
}

/// What the machine starts from.
#[derive(Clone, Debug)]
pub enum Boot {
    /// QEMU's own loader: multiboot 1.
    Multiboot {
        /// The hypervisor.
        kernel: PathBuf,
        /// Its command line.
        append: String,
        /// Modules, dom0's kernel first.
        modules: Vec<Module>,
    },
    /// A bootable CD.
    Cdrom(PathBuf),
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it starts from.
    pub boot: Boot,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processors.
    pub smp: u32,
    /// Virtual time is the count of executed instructions: 1 instruction is 1 ns,
    /// the same on every run.
    pub icount: bool,
    /// Run on the host's processor, by KVM, instead of emulating one.
    pub kvm: bool,
    /// The processor, as QEMU's `-cpu` names it.
    pub cpu: String,
    /// Devices besides those that every PC has: QEMU arguments.
    pub devices: Vec<String>,
    /// Wait for a debugger on TCP port 1234.
    pub gdb: bool,
}

/// The processor: everything that emulation offers. With x2APIC QEMU aborts under
/// `-icount` ("Bad icount read").
const CPU: &str = "max,-x2apic";

impl Config {
    /// A machine with 512 MiB and one processor.
    #[must_use]
    pub fn new(boot: Boot) -> Self {
        Self {
            boot,
            memory_mib: 512,
            smp: 1,
            icount: false,
            kvm: false,
            cpu: CPU.into(),
            devices: Vec::new(),
            gdb: false,
        }
    }

    /// The arguments without those for the console. Modules are named relative to
    /// `dir`, which must be QEMU's working directory: see [`Config::link_modules`].
    #[must_use]
    pub fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["-nodefaults", "-display", "none", "-no-reboot", "-cpu"]
            .into_iter()
            .map(OsString::from)
            .collect();
        args.push(self.cpu.clone().into());
        args.push("-m".into());
        args.push(self.memory_mib.to_string().into());
        args.extend(["-smp".into(), self.smp.to_string().into()]);
        if self.icount {
            args.extend(["-icount", "shift=0,sleep=off", "-rtc", "clock=vm"].map(OsString::from));
        }
        if self.kvm {
            args.extend(["-accel", "kvm"].map(OsString::from));
        }
        args.extend(self.devices.iter().map(OsString::from));
        if self.gdb {
            args.extend(["-gdb", "tcp:127.0.0.1:1234", "-S"].map(OsString::from));
        }
        match &self.boot {
            Boot::Multiboot {
                kernel,
                append,
                modules,
            } => {
                args.extend([
                    "-kernel".into(),
                    kernel.into(),
                    "-append".into(),
                    append.into(),
                ]);
                if !modules.is_empty() {
                    args.extend(["-initrd".into(), initrd(modules).into()]);
                }
            }
            Boot::Cdrom(iso) => {
                args.extend(["-boot".into(), "d".into(), "-cdrom".into(), iso.into()])
            }
        }
        args
    }

    /// Links the modules into `dir`, where none of them lies, under their names, so that neither spaces nor
    /// commas of the real paths reach QEMU's list syntax.
    ///
    /// # Errors
    /// A link cannot be made.
    pub fn link_modules(&self, dir: &Path) -> io::Result<()> {
        let Boot::Multiboot { modules, .. } = &self.boot else {
            return Ok(());
        };
        for module in modules {
            let link = dir.join(&module.name);
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            std::os::unix::fs::symlink(&module.path, &link)?;
        }
        Ok(())
    }
}

/// QEMU's `-initrd` value: modules separated by commas, commas within doubled.
fn initrd(modules: &[Module]) -> String {
    let one = |module: &Module| {
        format!("{} {}", module.name, module.args)
            .trim_end()
            .replace(',', ",,")
    };
    modules.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(config: &Config) -> Vec<String> {
        config
            .args()
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn commas_within_module_arguments_are_doubled() {
        let modules = [
            Module::new("linux", Path::new("/x"), "console=hvc0,1 ro"),
            Module::new("initrd", Path::new("/y"), ""),
        ];
        assert_eq!(initrd(&modules), "linux console=hvc0,,1 ro,initrd");
    }

    #[test]
    fn kvm_is_asked_for_with_the_hosts_processor() {
        let mut config = Config::new(Boot::Cdrom("/b.iso".into()));
        assert!(!strings(&config).join(" ").contains("kvm"));
        (config.kvm, config.cpu) = (true, "host".into());
        let args = strings(&config).join(" ");
        assert!(
            args.contains("-accel kvm") && args.contains("-cpu host"),
            "{args}"
        );
    }

    #[test]
    fn icount_makes_time_a_count_of_instructions() {
        let mut config = Config::new(Boot::Cdrom("/b.iso".into()));
        assert!(!strings(&config).contains(&"-icount".to_owned()));
        config.icount = true;
        let args = strings(&config).join(" ");
        assert!(
            args.contains("-icount shift=0,sleep=off -rtc clock=vm"),
            "{args}"
        );
        assert!(args.contains("-cdrom /b.iso"), "{args}");
    }
}
