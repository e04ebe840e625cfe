FROM python:3.13-slim AS packages
COPY requirements.txt .
RUN python -m venv /opt/natter && \
    /opt/natter/bin/python -m pip install --no-cache-dir --no-compile --require-hashes -r requirements.txt && \
    /opt/natter/bin/python -m pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home natter && install -d -o natter -g natter /data
COPY --from=packages /opt/natter /opt/natter
WORKDIR /srv/natter
COPY application.conf logging.ini ./
COPY config config
COPY app app
ENV PATH=/opt/natter/bin:$PATH PYTHONUNBUFFERED=1 CHAT_STORE=/data/chat.db
USER natter
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '8080') + '/livez', timeout=2)"]
CMD ["python", "-m", "app"]
