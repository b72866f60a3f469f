"""What a notebook asks and runs: predictions, menus, forms, training before a person."""
