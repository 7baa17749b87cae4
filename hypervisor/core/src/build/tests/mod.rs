//! The builder: parsers fed with lies by the thousand, and whole builds on the fake machine.

mod building;
mod image;
mod parsing;
mod unpacking;
