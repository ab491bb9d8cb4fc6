"""What the words after `apollo` do, one module for each kind of work. apollo_ray/cli.py names them all."""
