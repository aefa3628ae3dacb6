"""Words that make a finding less than certain, negated or another's."""

from __future__ import annotations

import re

HEDGED = re.compile(
    r"\b(?:no|not|nor|non|without|den(?:y|ies|ied)|negative|absen\w+|free|never|neither|rule\w*|exclu\w+|lack\w*"
    r"|possib\w+|probabl\w+|may|might|could|suspect\w*|suspicio\w+|likely|unlikely|suggest\w*|if|question\w*"
    r"|differential|consider\w*|vs|versus|concern\w*|appear\w*|seem\w*|perhaps|consistent|compatible|presum\w+)\b",
    re.IGNORECASE,
)
"""Words near which nobody should take an unlabelled concept for a plain positive one."""
