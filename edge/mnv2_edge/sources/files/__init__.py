"""Sources that read files: pictures, folders, videos, replays."""
