"""What no rule describes: what is unusual for a tenant's own hosts, users and addresses.

Read `profile` (what is watched), `window` (what was done), `state` (what is remembered), `features`
and `views` (how unusual that is), `tail`, `forest` and `model` (compared with what), `budget` and
`reasons` (what a person sees); `watch` puts them together, `replay` feeds it files.
"""
