"""manage.py migrate --noinput"""
import sys

import migrations

if sys.argv[1:] != ["migrate", "--noinput"]:
    sys.exit(__doc__)
migrations.up()
