from duihua.telegram import schemas

schemas.load()  # before anything imports aiogram
