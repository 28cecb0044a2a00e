"""What mailbox providers ask of a mail and of the domain that it comes from, as rules with a remedy each."""
