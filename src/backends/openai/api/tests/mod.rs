mod calls;
mod server;
