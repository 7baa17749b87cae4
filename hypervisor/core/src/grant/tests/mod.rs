//! Grants against a model, and the handshake on shared entries in every order.

mod handshake;
mod model;
mod stage;
mod traces;
