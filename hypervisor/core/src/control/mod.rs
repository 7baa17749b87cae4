//! domctl, sysctl, console and other control calls.

mod bitmap;
pub mod console;
pub mod domctl;
mod keys;
pub mod physdev;
pub mod platform;
pub mod sysctl;

#[cfg(test)]
mod tests;
