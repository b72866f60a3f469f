import sys

from delog_nb.cli import main

sys.exit(main())
