"""What commands share: flags and progress."""
