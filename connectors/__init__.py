"""The only room that speaks to the outside: e-mail, events, audiences and CRM, one vendor a file."""
