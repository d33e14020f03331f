//! Files in an OpenAI vector store.

mod body;
mod config;

pub use config::{
    OpenAIChunking, OpenAIConfig, OpenAIEncoding, OpenAIRates, OpenAIReadMode, OpenAITimeouts,
};
