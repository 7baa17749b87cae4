//! A writer of uncompressed cpio archives in the "newc" format: the ramdisks of
//! our guest kernel and the initramfs of Linux.

use anyhow::{Context, Result, ensure};

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;
const TRAILER: &str = "TRAILER!!!";

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a directory; parents first, as Linux's unpacker wants them.
    ///
    /// # Errors
    /// As [`Archive::file`].
    pub fn directory(&mut self, path: &str) -> Result<&mut Self> {
        self.entry(path, S_IFDIR | 0o755, (0, 0), &[])
    }

    /// Appends a regular file with the given permission bits.
    ///
    /// # Errors
    /// The path is absolute or empty, or the content is 4 GiB or longer.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<&mut Self> {
        self.entry(path, S_IFREG | permissions, (0, 0), content)
    }

    /// Appends a character device.
    ///
    /// # Errors
    /// As [`Archive::file`].
    pub fn char_device(&mut self, path: &str, major: u32, minor: u32) -> Result<&mut Self> {
        self.entry(path, S_IFCHR | 0o600, (major, minor), &[])
    }

    /// Appends the trailer and returns the archive.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.inode = 0;
        self.header(TRAILER, 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        device: (u32, u32),
        content: &[u8],
    ) -> Result<&mut Self> {
        ensure!(
            !path.is_empty() && !path.starts_with('/'),
            "cpio: the path `{path}` is not relative"
        );
        self.inode += 1;
        self.header(path, mode, device, content)?;
        Ok(self)
    }

    fn header(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len())
            .with_context(|| format!("cpio: `{path}` is 4 GiB or longer"))?;
        let name_size = u32::try_from(path.len() + 1).context("cpio: path too long")?;
        let links = if mode & S_IFDIR == S_IFDIR { 2 } else { 1 };
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields = [
            self.inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.directory("bin").unwrap();
        archive.file("bin/hello", 0o755, b"hello world").unwrap();
        archive.char_device("console", 5, 1).unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn headers_and_contents_are_aligned_to_four() {
        let bytes = sample();
        assert_eq!(bytes.len() % 4, 0);
        let mut offset = 0;
        let mut names = Vec::new();
        loop {
            assert_eq!(&bytes[offset..offset + 6], b"070701");
            let field = |index: usize| {
                let at = offset + 6 + index * 8;
                usize::from_str_radix(std::str::from_utf8(&bytes[at..at + 8]).unwrap(), 16).unwrap()
            };
            let (size, name_size) = (field(6), field(11));
            let name = &bytes[offset + 110..offset + 110 + name_size - 1];
            names.push(String::from_utf8(name.to_vec()).unwrap());
            let data = (offset + 110 + name_size).next_multiple_of(4);
            if names.last().unwrap() == "bin/hello" {
                assert_eq!(&bytes[data..data + size], b"hello world");
            }
            offset = (data + size).next_multiple_of(4);
            if names.last().unwrap() == TRAILER {
                break;
            }
        }
        assert_eq!(names, ["bin", "bin/hello", "console", TRAILER]);
        assert_eq!(offset, bytes.len());
    }

    #[test]
    fn absolute_and_empty_paths_are_refused() {
        assert!(Archive::new().file("/etc/passwd", 0o644, b"").is_err());
        assert!(Archive::new().directory("").is_err());
    }

    /// The format's own tool reads what we write, where that tool is installed.
    #[test]
    fn cpio_itself_lists_the_archive() {
        let spawned = Command::new("cpio")
            .args(["--list", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else { return };
        child.stdin.take().unwrap().write_all(&sample()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "bin\nbin/hello\nconsole\n"
        );
    }
}
