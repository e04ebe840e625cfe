"""The texts that people read: one JSON file for each language.

`catalogue` finds the texts of a language, `translatable` holds a text until its reader's language is known,
`server_errors` finds the sentence for an error from the server. To add a language, add its file.
"""
