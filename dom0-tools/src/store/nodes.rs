//! Typed requests about nodes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_E2BIG, XEN_EAGAIN};
use hypercall_abi::io::xs_wire::*;

use super::client::{StoreError, garbled};
use super::permissions::Permissions;
use crate::hyper::Errno;

/// How often a list is read that changes meanwhile.
const LIST_TRIES: usize = 20;

type Result<T> = core::result::Result<T, StoreError>;

/// Requests about nodes, in a transaction or not.
pub trait Store {
    /// Asks, and waits for the reply; `operation` and `subject` are for who reads of a refusal.
    ///
    /// # Errors
    /// The store's refusal, or that there is none any more.
    fn ask(&mut self, kind: u32, operation: &'static str, payload: &[&[u8]]) -> Result<Vec<u8>>;

    /// A node's value.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        self.ask(XS_READ, "reading", &[path.as_bytes(), &[0]])
    }

    /// A node's value as text; what is no text in it is replaced.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn read_text(&mut self, path: &str) -> Result<String> {
        let value = self.read(path)?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// A node's value as text, if there is such a node.
    ///
    /// # Errors
    /// See [`Store::ask`]; not that it is missing.
    fn read_if_there(&mut self, path: &str) -> Result<Option<String>> {
        match self.read_text(path) {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }

    /// The paths of all nodes but the root. What comes or goes meanwhile may be among them.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn all_nodes(&mut self) -> Result<Vec<String>> {
        let (mut all, mut next) = (Vec::new(), [String::new()].to_vec());
        while let Some(path) = next.pop() {
            let node = if path.is_empty() { "/" } else { &path };
            for name in self.list_if_there(node)? {
                let below = format!("{path}/{name}");
                all.push(below.clone());
                next.push(below);
            }
        }
        Ok(all)
    }

    /// The names of a node's children, none if there is no such node.
    ///
    /// # Errors
    /// See [`Store::ask`]; not that it is missing.
    fn list_if_there(&mut self, path: &str) -> Result<Vec<String>> {
        match self.list(path) {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => other,
        }
    }

    /// A node's value as a decimal number, if there is such a node and it holds one.
    ///
    /// # Errors
    /// See [`Store::ask`]; not that it is missing.
    fn read_number(&mut self, path: &str) -> Result<Option<u64>> {
        Ok(self
            .read_if_there(path)?
            .and_then(|text| text.trim().parse().ok()))
    }

    /// Sets a node's value; it is made if it is missing.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn write(&mut self, path: &str, value: &[u8]) -> Result<()> {
        self.ask(XS_WRITE, "writing", &[path.as_bytes(), &[0], value])
            .map(drop)
    }

    /// The same for anything with a text.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn write_text(&mut self, path: &str, value: impl ToString) -> Result<()>
    where
        Self: Sized,
    {
        self.write(path, value.to_string().as_bytes())
    }

    /// Makes a node where it is missing.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn make(&mut self, path: &str) -> Result<()> {
        self.ask(XS_MKDIR, "making", &[path.as_bytes(), &[0]])
            .map(drop)
    }

    /// Removes a node and all below. One that is not there is no error.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn remove(&mut self, path: &str) -> Result<()> {
        match self.ask(XS_RM, "removing", &[path.as_bytes(), &[0]]) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Names of the nodes below a node, however many.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn list(&mut self, path: &str) -> Result<Vec<String>> {
        match self.ask(XS_DIRECTORY, "listing", &[path.as_bytes(), &[0]]) {
            Err(error) if error.errno() == Some(Errno(XEN_E2BIG)) => self.list_in_parts(path),
            other => Ok(names(&other?)),
        }
    }

    /// [`Store::list`] for a long list.
    ///
    /// # Errors
    /// See [`Store::ask`]. EAGAIN: it changes all the time.
    fn list_in_parts(&mut self, path: &str) -> Result<Vec<String>> {
        'again: for _ in 0..LIST_TRIES {
            let (mut bytes, mut generation) = (Vec::new(), None);
            loop {
                let offset = bytes.len().to_string();
                let payload: [&[u8]; 4] = [path.as_bytes(), &[0], offset.as_bytes(), &[0]];
                let reply = self.ask(XS_DIRECTORY_PART, "listing", &payload)?;
                let end = reply.iter().position(|byte| *byte == 0);
                let end = end.ok_or_else(|| garbled("a list without a generation"))?;
                let (now, part) = (reply[..end].to_vec(), &reply[end + 1..]);
                if *generation.get_or_insert_with(|| now.clone()) != now {
                    continue 'again;
                }
                // An empty name ends it.
                match part {
                    [] => return Err(garbled("a list that does not go on")),
                    [0] => return Ok(names(&bytes)),
                    [part @ .., 0, 0] => {
                        bytes.extend_from_slice(part);
                        bytes.push(0);
                        return Ok(names(&bytes));
                    }
                    part => bytes.extend_from_slice(part),
                }
            }
        }
        Err(StoreError::Refused {
            operation: "listing",
            subject: path.to_string(),
            errno: Errno(XEN_EAGAIN),
        })
    }

    /// Who may access a node.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn permissions(&mut self, path: &str) -> Result<Permissions> {
        let reply = self.ask(
            XS_GET_PERMS,
            "reading the permissions of",
            &[path.as_bytes(), &[0]],
        )?;
        let strings = reply.strip_suffix(&[0]).unwrap_or(&reply);
        let permissions = Permissions::parse(strings.split(|byte| *byte == 0));
        permissions.ok_or_else(|| garbled("permissions that are none"))
    }

    /// Chooses who may access a node.
    ///
    /// # Errors
    /// See [`Store::ask`].
    fn set_permissions(&mut self, path: &str, permissions: &Permissions) -> Result<()> {
        let list = permissions.to_strings();
        let payload = [path.as_bytes(), &[0], list.as_bytes()];
        self.ask(XS_SET_PERMS, "setting the permissions of", &payload)
            .map(drop)
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let names = bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}
