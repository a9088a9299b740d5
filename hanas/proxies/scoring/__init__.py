"""What proxies compute in jobs, with networks of PyTorch."""
