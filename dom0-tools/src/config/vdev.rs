//! Names of virtual disks, and the numbers by which guests know them.

use core::fmt;

/// A disk, or a partition of one, as a guest is to see it: `xvda`, `hdb1`, `sdc`, `d3p1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualDisk {
    kind: Kind,
    disk: u32,
    /// 0 for the whole disk.
    partition: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Xvd,
    Hd,
    Sd,
    /// By numbers alone.
    Numbered,
}

/// Disks that have a number, and partitions of each.
const DISKS: u32 = 1 << 20;
const PARTITIONS: u32 = 1 << 8;
/// Set in the numbers of what the classic scheme has no room for.
const EXTENDED: u32 = 1 << 28;

impl VirtualDisk {
    /// Reads a name; `None` if it is not one, or has no number.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, letters) = [(Kind::Xvd, "xvd"), (Kind::Hd, "hd"), (Kind::Sd, "sd")]
            .into_iter()
            .find_map(|(kind, prefix)| Some((kind, name.strip_prefix(prefix)?)))
            .or_else(|| Some((Kind::Numbered, name.strip_prefix('d')?)))?;
        let (disk, partition) = match kind {
            Kind::Numbered => match letters.split_once('p') {
                Some((disk, partition)) => (number(disk)?, number(partition)?),
                None => (number(letters)?, 0),
            },
            _ => by_letters(letters)?,
        };
        let vdev = VirtualDisk {
            kind,
            disk,
            partition,
        };
        (disk < DISKS && partition < PARTITIONS && vdev.number().is_some()).then_some(vdev)
    }

    /// The device's number in the store (docs/misc/vbd-interface); `None` for IDE and SCSI disks
    /// beyond those that there are numbers for.
    pub fn number(&self) -> Option<u32> {
        let (disk, partition) = (self.disk, self.partition);
        match self.kind {
            Kind::Xvd | Kind::Numbered if disk < 16 && partition < 16 => {
                Some(202 << 8 | disk << 4 | partition)
            }
            Kind::Xvd | Kind::Numbered => Some(EXTENDED | disk << 8 | partition),
            Kind::Sd if disk < 16 && partition < 16 => Some(8 << 8 | disk << 4 | partition),
            Kind::Hd if disk < 4 && partition < 64 => {
                let major = if disk < 2 { 3 } else { 22 };
                Some(major << 8 | (disk & 1) << 6 | partition)
            }
            Kind::Sd | Kind::Hd => None,
        }
    }
}

/// A number without a sign or needless zeros.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

/// `b3` is (1, 3), `aa` is (26, 0).
fn by_letters(text: &str) -> Option<(u32, u32)> {
    let letters = text.trim_end_matches(|char: char| char.is_ascii_digit());
    let mut disk = 0_u32;
    for letter in letters.bytes() {
        let value = letter.checked_sub(b'a').filter(|value| *value < 26)?;
        disk = disk.checked_mul(26)?.checked_add(u32::from(value) + 1)?;
    }
    let partition = match &text[letters.len()..] {
        "" => 0,
        digits => number(digits).filter(|partition| *partition > 0)?,
    };
    Some((disk.checked_sub(1)?, partition))
}

impl fmt::Display for VirtualDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.kind {
            Kind::Xvd => "xvd",
            Kind::Hd => "hd",
            Kind::Sd => "sd",
            Kind::Numbered => return write!(f, "d{}p{}", self.disk, self.partition),
        };
        f.write_str(prefix)?;
        // Five letters are enough for the 2^20 disks that have numbers.
        let mut letters = [0_u8; 5];
        let (mut rest, mut first) = (self.disk + 1, letters.len());
        while rest > 0 {
            first -= 1;
            letters[first] = b'a' + ((rest - 1) % 26) as u8;
            rest = (rest - 1) / 26;
        }
        for letter in &letters[first..] {
            write!(f, "{}", char::from(*letter))?;
        }
        match self.partition {
            0 => Ok(()),
            partition => write!(f, "{partition}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_have_the_numbers_of_the_interface() {
        for (name, number) in [
            ("xvda", 0xca00),
            ("xvda1", 0xca01),
            ("xvdp15", 0xcaff),
            ("xvdq", EXTENDED | 16 << 8),
            ("xvda16", EXTENDED | 16),
            ("xvdaa1", EXTENDED | 26 << 8 | 1),
            ("hda", 0x300),
            ("hdb2", 0x342),
            ("hdc", 0x1600),
            ("hdd63", 0x167f),
            ("sda", 0x800),
            ("sdp15", 0x8ff),
            ("d0p0", 0xca00),
            ("d20p3", EXTENDED | 20 << 8 | 3),
        ] {
            let vdev = VirtualDisk::parse(name).expect(name);
            assert_eq!(vdev.number(), Some(number), "{name}");
            assert_eq!(vdev.to_string(), name);
        }
        assert_eq!(VirtualDisk::parse("d7").unwrap().to_string(), "d7p0");
        for disk in [0, 25, 26, 701, 702, 18_277, 18_278, DISKS - 1] {
            let vdev = VirtualDisk {
                kind: Kind::Xvd,
                disk,
                partition: 200,
            };
            assert_eq!(VirtualDisk::parse(&vdev.to_string()), Some(vdev), "{vdev}");
        }
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        for name in [
            "",
            "x",
            "xvd",
            "xvd1",
            "xvdA",
            "xvda0",
            "xvda01",
            "xvda256",
            "hde",
            "hda64",
            "sdq",
            "sda16",
            "d",
            "dp",
            "d1p",
            "d01",
            "d1048576",
            "xvdzzzzzzzz",
            "vda",
            "d-1",
            "xvdä",
        ] {
            assert_eq!(VirtualDisk::parse(name), None, "{name}");
        }
    }
}
