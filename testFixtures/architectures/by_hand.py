def save(folder):
    pass
