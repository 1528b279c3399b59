// In place of packages that a bundle names and a viewer of images does not use.
