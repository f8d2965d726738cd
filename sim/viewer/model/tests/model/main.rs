//! The model against recordings of which it is known what they must show.

mod colours;
mod comparing;
mod files;
mod hostile;
mod part;
mod plots;
mod ringing;
mod seek;
mod synthetic;
