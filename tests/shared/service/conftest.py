from tests.redis_on_disk import letters_url

__all__ = ["letters_url"]
