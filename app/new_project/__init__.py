"""What `natter new` writes: a small project with a module, its configuration and its test.

`naming`
    What a project may be called, and the Python package in it.
`parts`
    The parts that people choose from.
`source`
    Where the project gets Natter from.
`rendering`
    From templates to text: the templates are the files in `templates`.
`writing`
    Writes all of it, or nothing.
`errors`
    ProjectError, the only error of the package.
"""
