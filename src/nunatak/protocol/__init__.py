"""The Snowflake HTTP protocol: login, sessions on the wire, queries, results, file transfer."""
