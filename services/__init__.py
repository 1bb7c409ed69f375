"""What happens: command handlers, process managers, the API, and what runs them."""
