//! Names of nodes.

use alloc::format;
use alloc::rc::Rc;

use hypercall_abi::io::xs_wire::{XENSTORE_ABS_PATH_MAX, XENSTORE_REL_PATH_MAX};

/// Below it every domain has its own node.
const DOMAINS: &str = "/local/domain";

/// The absolute path of a node: valid, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Rc<str>);

impl Path {
    /// The node above all.
    #[must_use]
    pub fn root() -> Self {
        Path("/".into())
    }

    /// Where the nodes of a domain are.
    #[must_use]
    pub fn of_domain(domain: u32) -> Self {
        Path(format!("{DOMAINS}/{domain}").into())
    }

    /// A path as `domain` names it: absolute, or relative to the domain's own node. `None` if it
    /// is not one, or longer than the store takes: [`XENSTORE_ABS_PATH_MAX`] bytes, of which
    /// [`XENSTORE_REL_PATH_MAX`] behind the part that leads to a domain's node.
    #[must_use]
    pub fn parse(text: &[u8], domain: u32) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let path = match text.as_bytes() {
            [b'/', ..] => Path(text.into()),
            // That is the name of an event.
            [b'@', ..] => return None,
            _ => Path(format!("{DOMAINS}/{domain}/{text}").into()),
        };
        path.is_valid().then_some(path)
    }

    fn is_valid(&self) -> bool {
        let character = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte);
        self.0.len() <= XENSTORE_ABS_PATH_MAX
            && self.local_length() <= XENSTORE_REL_PATH_MAX
            && self.0.bytes().all(character)
            && !self.0.contains("//")
            && (!self.0.ends_with('/') || self.0.len() == 1)
    }

    /// Bytes without `/local/domain/N/` in front.
    fn local_length(&self) -> usize {
        let local = || {
            let (domain, local) = self.0.strip_prefix(DOMAINS)?[1..].split_once('/')?;
            let is_number =
                (1..=5).contains(&domain.len()) && domain.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then_some(local.len())
        };
        match self.0.as_bytes().get(DOMAINS.len()) {
            Some(b'/') => local().unwrap_or(self.0.len()),
            _ => self.0.len(),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The node that lists this one; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self.0.rfind('/')? {
            _ if self.0.len() == 1 => None,
            0 => Some(Path::root()),
            end => Some(Path(self.0[..end].into())),
        }
    }

    /// The name in the parent's list; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The node of that name in this node's list.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let parent = if self.0.len() == 1 { "" } else { &self.0 };
        Path(format!("{parent}/{name}").into())
    }

    /// How `domain` would name it relative to its own node, if it can.
    #[must_use]
    pub fn relative_to(&self, domain: u32) -> Option<&str> {
        let home = Path::of_domain(domain);
        self.0.strip_prefix(home.as_str())?.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_and_put_together() {
        let parse = |text: &str| Path::parse(text.as_bytes(), 5);
        assert_eq!(parse("a/b").unwrap().as_str(), "/local/domain/5/a/b");
        assert_eq!(parse("a/b").unwrap().relative_to(5), Some("a/b"));
        assert_eq!(parse("a/b").unwrap().relative_to(50), None);
        assert_eq!(parse("/a/b").unwrap().parent(), parse("/a"));
        assert_eq!(parse("/a").unwrap().parent(), parse("/"));
        assert_eq!(parse("/").unwrap().parent(), None);
        assert_eq!(parse("/a/b").unwrap().name(), "b");
        assert_eq!(
            parse("/").unwrap().child("a").child("b"),
            parse("/a/b").unwrap()
        );
        for bad in [
            "", "@a", "/a/", "//a", "/a//b", "/a b", "a/", "/\u{e4}", "/a\0",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(Path::parse(b"/\xff", 0), None);
    }

    /// The limits that Xen's own store was seen to have.
    #[test]
    fn lengths_are_limited() {
        let valid = |prefix: &str, length: usize| {
            let text = format!("{prefix}{}", "p".repeat(length));
            Path::parse(text.as_bytes(), 1).is_some()
        };
        for (prefix, longest) in [
            ("/", 2047),
            ("", 2048),
            ("/local/domain/1/", 2048),
            ("/local/domain/x/", 2032),
            ("/local/domain1/", 2033),
        ] {
            assert!(valid(prefix, longest), "{prefix}");
            assert!(!valid(prefix, longest + 1), "{prefix}");
        }
    }
}
