//! `cpus`: where a domain's vCPUs may run.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::keys::{Keys, wrong_kind};
use super::{ConfigError, Value};
use crate::cpuset::CpuSet;

/// More CPUs than any machine has that this toolstack is for; which there are is known when the
/// domain is made.
const MOST_CPUS: u32 = 4096;

/// Lists of CPUs as [`CpuSet::parse`] reads them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cpus {
    /// Nothing is said: all CPUs.
    #[default]
    Any,
    /// One list for all vCPUs.
    Same(String),
    /// A list for each of the first vCPUs; those beyond may run anywhere.
    Each(Vec<String>),
}

impl Cpus {
    /// The CPUs of one vCPU on a machine with so many; `None` for all.
    ///
    /// # Errors
    /// In words: CPUs that the machine does not have, or a list that leaves none.
    pub fn of(&self, vcpu: u32, cpus: u32) -> Result<Option<CpuSet>, String> {
        let list = match self {
            Cpus::Any => None,
            Cpus::Same(list) => Some(list),
            Cpus::Each(lists) => lists.get(vcpu as usize),
        };
        list.map(|list| CpuSet::parse(list, cpus)).transpose()
    }

    pub(super) fn read(keys: &mut Keys) -> Result<Self, ConfigError> {
        let Some(assignment) = keys.take("cpus") else {
            return Ok(Cpus::Any);
        };
        let checked = |position, value: &Value| {
            let list = match value {
                Value::Integer(cpu) => cpu.to_string(),
                Value::Text(list) => list.clone(),
                Value::List(_) => return Err(wrong_kind(&assignment, "CPUs or a list of them")),
            };
            match CpuSet::parse(&list, MOST_CPUS) {
                Ok(_) => Ok(list),
                Err(why) => Err(ConfigError::new(position, format!("cpus: {why}"))),
            }
        };
        match &assignment.value {
            Value::List(items) => {
                let lists = items.iter().map(|item| checked(item.position, &item.value));
                Ok(Cpus::Each(lists.collect::<Result<_, _>>()?))
            }
            value => Ok(Cpus::Same(checked(assignment.value_position, value)?)),
        }
    }
}
