"""What the application consists of. Each module function gets the application and registers with it, as yours would."""
