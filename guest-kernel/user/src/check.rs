//! What programs that check something have in common: the first thing that is not as it should be
//! ends the check, and is told.

use alloc::format;
use alloc::string::String;
use core::fmt::{Debug, Display};

use crate::{println, sys};

/// How a check ends: if not well, with why.
pub type Done<T = ()> = Result<T, String>;

/// What comes of something; an error is told with what was asked for.
///
/// # Errors
/// The result's, named.
pub fn told<T, E: Display>(what: &str, result: Result<T, E>) -> Done<T> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// What comes of something is as it should be.
///
/// # Errors
/// It is not.
pub fn same<T: Debug + PartialEq>(what: &str, got: T, want: T) -> Done {
    if got == want {
        Ok(())
    } else {
        Err(format!("{what} is {got:?}, not {want:?}"))
    }
}

/// What must not be done is refused, with the right error.
///
/// # Errors
/// It is not.
pub fn refused<T, E: Debug + PartialEq>(what: &str, result: Result<T, E>, with: E) -> Done {
    match result {
        Err(error) if error == with => Ok(()),
        Err(error) => Err(format!("{what}: {error:?}, not {with:?}")),
        Ok(_) => Err(format!("{what} was not refused")),
    }
}

/// The exit status of a program that ends like this; it tells why if it does not end well.
pub fn status(program: &str, done: Done) -> i32 {
    match done {
        Ok(()) => 0,
        Err(why) => {
            println!("{program} {}: {why}", sys::getpid());
            1
        }
    }
}
