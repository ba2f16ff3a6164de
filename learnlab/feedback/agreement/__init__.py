"""How far labellers agree, and how a disagreement ends."""
