//! What a boot test works with: images, peers, and machines made of them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cpio::Archive;
use crate::images::{Images, Store};
use crate::qemu::{Boot, Config, Machine, Module};
use crate::setup::Peer;
use crate::workspace::Workspace;

/// Options both hypervisors are given unless a test says otherwise.
pub const HYPERVISOR_OPTIONS: &str =
    "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=128M noreboot";

/// Arguments of dom0's kernel for a shell that starts no guests by itself.
pub const DOM0_ARGS: &str = "init=/bin/sh autostart=";

/// Arguments of dom0's kernel for a shell that starts its usual guests.
pub const DOM0_WITH_GUESTS: &str = "init=/bin/sh";

/// One test's view of the lab.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Where things are.
    pub workspace: Workspace,
    /// What boots.
    pub images: Images,
    /// This test's directory for logs and files it makes.
    pub dir: PathBuf,
    /// Bounds each expectation.
    pub deadline: Duration,
}

impl Lab {
    /// Starts a machine; its files go to `<test's directory>/<name>/`.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn start(&self, config: &Config, name: &str) -> Result<Machine> {
        Machine::start(config, &self.dir, name, self.deadline)
    }

    /// Paravane with our kernel as dom0, which runs `script` when given, else a shell.
    ///
    /// # Errors
    /// The ramdisk cannot be packed.
    pub fn paravane(&self, script: Option<&str>) -> Result<Config> {
        Ok(self.paravane_with(HYPERVISOR_OPTIONS, self.dom0_for(script)?))
    }

    /// Paravane with any options and modules.
    #[must_use]
    pub fn paravane_with(&self, options: &str, modules: Vec<Module>) -> Config {
        let kernel = self.images.hypervisor.clone();
        Config::new(Boot::Multiboot {
            kernel,
            append: options.into(),
            modules,
        })
    }

    /// Debian's Xen with any options and modules.
    ///
    /// # Errors
    /// It was not downloaded, or does not unpack.
    pub fn xen_with(&self, options: &str, modules: Vec<Module>) -> Result<Config> {
        let kernel = self.dir.join("xen.elf");
        fs::write(&kernel, gunzip(&Peer::Xen.find(&self.workspace)?)?)?;
        Ok(Config::new(Boot::Multiboot {
            kernel,
            append: options.into(),
            modules,
        }))
    }

    /// Our kernel on the bare machine, with the other modules of a dom0.
    #[must_use]
    pub fn bare_machine(&self, args: &str, mut modules: Vec<Module>) -> Config {
        modules.remove(0);
        Config::new(Boot::Multiboot {
            kernel: self.images.guest_kernel.clone(),
            append: args.into(),
            modules,
        })
    }

    /// Our kernel and ramdisk as modules, for a dom0 that runs `script` when given, else a shell.
    ///
    /// # Errors
    /// The ramdisk cannot be packed.
    pub fn dom0_for(&self, script: Option<&str>) -> Result<Vec<Module>> {
        match script {
            Some(_) => self.our_dom0(&format!("{DOM0_ARGS} script=/etc/script"), script),
            None => self.our_dom0(DOM0_ARGS, None),
        }
    }

    /// Our kernel and ramdisk as modules.
    ///
    /// # Errors
    /// The ramdisk cannot be packed.
    pub fn our_dom0(&self, args: &str, script: Option<&str>) -> Result<Vec<Module>> {
        self.our_dom0_with(args, script, &Store::new())
    }

    /// The same with a user's files in `/store`.
    ///
    /// # Errors
    /// The ramdisk cannot be packed.
    pub fn our_dom0_with(
        &self,
        args: &str,
        script: Option<&str>,
        store: &Store,
    ) -> Result<Vec<Module>> {
        let ramdisk = self.write("dom0.cpio", &self.images.dom0_ramdisk(script, store)?)?;
        Ok(vec![
            Module::new("guest-kernel", &self.images.guest_kernel, args),
            Module::new("dom0.cpio", &ramdisk, ""),
        ])
    }

    /// Debian's Linux and an initramfs as modules; its init announces user space
    /// with [`LINUX_USERSPACE`] and powers off.
    ///
    /// # Errors
    /// A peer was not downloaded.
    pub fn linux_dom0(&self) -> Result<Vec<Module>> {
        self.linux(LINUX_INIT, &[])
    }

    /// The same with drivers of a virtio disk in `/lib/drivers`, and another init.
    ///
    /// # Errors
    /// A peer was not downloaded.
    pub fn linux_with_drivers(&self, init: &str) -> Result<Vec<Module>> {
        self.linux(init, &Peer::linux_modules(&self.workspace)?)
    }

    fn linux(&self, init: &str, drivers: &[PathBuf]) -> Result<Vec<Module>> {
        let linux = Peer::Linux.find(&self.workspace)?;
        let initramfs = self.write("linux.cpio", &self.linux_ramdisk(init, drivers)?)?;
        Ok(vec![
            Module::new("vmlinuz", &linux, "console=hvc0 earlyprintk=xen"),
            Module::new("linux.cpio", &initramfs, ""),
        ])
    }

    /// A ramdisk for Linux: an init, which is a script for busybox, and drivers.
    ///
    /// # Errors
    /// A peer was not downloaded.
    pub fn linux_ramdisk(&self, init: &str, drivers: &[PathBuf]) -> Result<Vec<u8>> {
        let busybox = fs::read(Peer::Busybox.find(&self.workspace)?)?;
        let mut archive = Archive::new();
        archive
            .directory("bin")?
            .file("bin/busybox", 0o755, &busybox)?;
        archive.directory("dev")?.char_device("dev/console", 5, 1)?;
        archive.directory("proc")?.directory("sys")?;
        archive.file("init", 0o755, init.as_bytes())?;
        archive.directory("lib")?.directory("lib/drivers")?;
        for (number, driver) in drivers.iter().enumerate() {
            let name = format!("lib/drivers/{number}.ko");
            archive.file(&name, 0o644, &fs::read(driver)?)?;
        }
        archive.finish()
    }

    /// Writes a file into the test's directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// What the init of [`Lab::linux_dom0`] prints.
pub const LINUX_USERSPACE: &str = "LINUX-USERSPACE";

const LINUX_INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox mount -t proc proc /proc\n\
    /bin/busybox mount -t sysfs sysfs /sys\n\
    echo \"LINUX-USERSPACE hypervisor=$(/bin/busybox cat /sys/hypervisor/type)\"\n\
    echo \"LINUX-MEMORY $(/bin/busybox grep MemTotal /proc/meminfo)\"\n\
    for cpu in $(/bin/busybox seq 0 $(($(/bin/busybox nproc) - 1))); do\n\
    /bin/busybox taskset -c $cpu /bin/busybox sleep 0.05\n\
    done\n\
    echo \"LINUX-CPUS $(/bin/busybox grep -c ^processor /proc/cpuinfo)\"\n\
    /bin/busybox awk '/xen-percpu/ { n = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i;\\\n\
    print \"LINUX-INTERRUPTS\", $NF, n }' /proc/interrupts\n\
    echo \"LINUX-DONE\"\n\
    /bin/busybox poweroff -f\n";

fn gunzip(path: &Path) -> Result<Vec<u8>> {
    let mut child = Command::new("gzip")
        .args(["--decompress", "--stdout"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run gzip")?;
    let mut bytes = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut bytes)?;
    }
    ensure!(
        child.wait()?.success(),
        "gzip cannot unpack {}",
        path.display()
    );
    Ok(bytes)
}
