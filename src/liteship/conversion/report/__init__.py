"""What a conversion shows: `report.html` for people and `report.json` for programs.

`evidence` holds what is shown and `parts` what that is made of; `measures` and `samples` compute it
from arrays; `verdict` says whether to ship; `writing` makes the two files. Knows no TensorFlow and no
LiteRT.
"""
