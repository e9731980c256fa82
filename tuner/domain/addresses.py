"""Which names S3 takes."""

from __future__ import annotations

import re

# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; its `amzn-s3-demo-` is
# allowed, because the examples of AWS's documentation should run here.
BUCKET_NAME = re.compile(
    r"(?!xn--|sthree-)(?!\d+\.\d+\.\d+\.\d+$)"
    r"[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]"
    r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)"
)

KEY_BYTES = 1024
"""The longest key, in UTF-8."""
