#!/usr/bin/env bash
# The gate for any other CI: fails where an op fails or could not be judged. Without arguments it
# checks the targets of [tool.gradcheck]; reports go to REPORTS, else to ./reports.
set -euo pipefail
reports=${REPORTS:-reports}
pip install -r requirements.txt # the framework of the ops, and gradcheck
exec gradcheck run --profile ci \
    --report "junit=$reports/gradcheck.xml" \
    --report "html=$reports/gradcheck.html" \
    -- "$@"
