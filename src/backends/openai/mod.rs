//! Files in an OpenAI vector store.

#[allow(dead_code, unused_imports, reason = "used by the backend to come")]
mod api;
mod config;

pub use config::{
    OpenAIChunking, OpenAIConfig, OpenAIEncoding, OpenAIRates, OpenAIReadMode, OpenAITimeouts,
};
