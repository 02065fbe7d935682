"""An open, self-hosted server that speaks Snowflake's protocol for machine-learning models."""
