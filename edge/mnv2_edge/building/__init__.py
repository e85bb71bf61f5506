"""What a build is given: the request of a user, and the pictures to calibrate and verify with."""
