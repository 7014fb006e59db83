-- Which definitions come from files of the directory of definitions; nobody else writes them.
CREATE TABLE definition_files (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
