//! Grants against a model, the handshake on shared entries in every order, and limits.

mod handshake;
mod limits;
mod model;
mod stage;
mod traces;
