"""OpenAI's models by a ChatGPT subscription."""
