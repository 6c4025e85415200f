"""``python -m knowhy``."""

from knowhy.faces.cli import main

if __name__ == "__main__":
    main()
