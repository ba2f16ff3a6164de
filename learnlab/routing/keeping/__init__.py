"""Fitted routers in the store: what each says of itself (`kept`), its bytes (`weights`), which is in use (`registry`)."""
