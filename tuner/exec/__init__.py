"""What a program written for AWS needs to use a home: a port, variables, a detour for STS."""

PORT = 4580
"""The port that `tuner serve` opens where nobody says otherwise."""
