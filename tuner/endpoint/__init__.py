"""The AWS door: applications that answer as AWS's services do."""
