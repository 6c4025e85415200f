"""What a study is asked to be: options, environment and knowhy.toml, and whether a study that exists agrees."""
