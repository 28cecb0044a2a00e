"""The typed definitions that a marketer writes: catalogue, scoring, lifecycle, audiences, sequences, e-mails."""
