"""What is experimented on: functions and scripts."""
