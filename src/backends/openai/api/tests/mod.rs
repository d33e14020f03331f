mod calls;
mod failures;
mod lists;
mod opening;
mod repeating;
mod server;
mod troubles;
