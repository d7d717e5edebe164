"""For the tests of those who build on duihua."""
